"""Ways that relay TCP and read nothing.

HAProxy and nginx pass on control port and 1,000 data ports one to one, and work only with a server
that itself advertises the edge. The bare one has the control port alone.
"""
import os
import re
import shutil
import subprocess

from servers import EDGE_PORTS, PORT
from ways import TIMEOUT, Way, first_line
from world import PUBLIC, SERVER


class Bare(Way):
    """The least that a relay in user space can do, for the control connection: wait, read, write.
    Data connections are routed past it."""
    name = "bare"
    forwards = routed = True
    only = "noop"

    def __init__(self, load):
        self.load = load

    def version(self):
        return "load pass"

    def command(self, state, limit, tls):
        return [self.load, "pass", "--at", self.at, "--to", "%s:%d" % (SERVER, PORT)]


class Haproxy(Way):
    """TCP mode with splice."""
    edge = True

    def __init__(self, name, pipe=None):
        self.name, self.pipe = name, pipe

    def available(self):
        return shutil.which("haproxy") is not None

    def version(self):
        return re.sub(r" - .*| \d{4}/.*", "", first_line("haproxy", "-v"))

    def command(self, state, limit, tls):
        # Two descriptors a connection, and pipes; what is left is for its listeners.
        sessions = min(12000, int((limit - 1500) * 0.38))
        pipe = "  tune.pipesize %d\n" % self.pipe if self.pipe else ""
        path = state + "/haproxy.cfg"
        with open(path, "w") as file:
            file.write("""global
  maxconn {sessions}
{pipe}defaults
  mode tcp
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client {idle}s
  timeout server {idle}s
listen control
  bind {public}:21 backlog 4096
  server it {server}:{port}
listen data
  bind {public}:{ports}
  server it {server}
""".format(sessions=sessions, pipe=pipe, idle=TIMEOUT, public=PUBLIC, server=SERVER, port=PORT,
           ports=EDGE_PORTS))
        return ["haproxy", "-db", "-f", path]


class Nginx(Way):
    """The stream module, which copies through a buffer for each direction."""
    edge = True
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def __init__(self, name, buffer=None):
        self.name, self.buffer = name, buffer

    def available(self):
        if not shutil.which("nginx"):
            return False
        return os.path.exists(self.module) or "--with-stream " in options() + " "

    def version(self):
        return first_line("nginx", "-v").replace("nginx version: ", "")

    def command(self, state, limit, tls):
        path = state + "/nginx.conf"
        module = "load_module %s;\n" % self.module if os.path.exists(self.module) else ""
        buffer = "  proxy_buffer_size %s;\n" % self.buffer if self.buffer else ""
        with open(path, "w") as file:
            file.write("""{module}daemon off;
user root;
pid {state}/nginx.pid;
error_log {state}/nginx.err error;
worker_processes auto;
worker_rlimit_nofile {limit};
events {{ worker_connections {connections}; }}
stream {{
{buffer}  proxy_timeout {idle}s;
  server {{ listen {public}:21 backlog=4096; proxy_pass {server}:{port}; }}
  server {{ listen {public}:{ports}; proxy_pass {server}:$server_port; }}
}}
""".format(module=module, state=state, limit=limit, connections=limit - 500, buffer=buffer,
           idle=TIMEOUT, public=PUBLIC, server=SERVER, port=PORT, ports=EDGE_PORTS))
        return ["nginx", "-e", state + "/nginx.err", "-c", path]


def options():
    return subprocess.run(["nginx", "-V"], capture_output=True, text=True).stderr
