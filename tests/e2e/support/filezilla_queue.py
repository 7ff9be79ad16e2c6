"""Writes FileZilla's queue: FILE HOST USER PASSWORD LOCAL-DIRECTORY NAME, an upload under explicit TLS."""

import sqlite3
import sys

file, host, user, password, directory, name = sys.argv[1:]
queue = sqlite3.connect(file)
# Its tables as FileZilla 3.63 makes them.
queue.executescript(
    """
CREATE TABLE servers (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, host TEXT NOT NULL,
 port INTEGER, user TEXT, password TEXT, account TEXT, keyfile TEXT, protocol INTEGER, type INTEGER,
 logontype INTEGER, timezone_offset INTEGER, transfer_mode TEXT, max_connections INTEGER,
 encoding TEXT, bypass_proxy INTEGER, post_login_commands TEXT, name TEXT, parameters TEXT,
 site_path TEXT DEFAULT NULL);
CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, server INTEGER NOT NULL,
 source_file TEXT, target_file TEXT, local_path INTEGER, remote_path INTEGER, size INTEGER,
 error_count INTEGER, priority INTEGER, flags INTEGER, default_exists_action INTEGER,
 extra_flags TEXT);
CREATE INDEX server_index ON files (server);
CREATE TABLE local_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, path TEXT NOT NULL);
CREATE TABLE remote_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, path TEXT NOT NULL);
PRAGMA user_version=7;
"""
)
EXPLICIT_TLS, NORMAL_LOGIN, UPLOAD = 4, 1, 0
queue.execute(
    "INSERT INTO servers (id, host, port, user, password, protocol, type, logontype,"
    " timezone_offset, transfer_mode, max_connections, encoding, bypass_proxy, name)"
    " VALUES (1, ?, 21, ?, ?, ?, 0, ?, 0, 'MODE_DEFAULT', 0, 'Auto', 0, '')",
    (host, user, password, EXPLICIT_TLS, NORMAL_LOGIN),
)
queue.execute("INSERT INTO local_paths VALUES (1, ?)", (directory,))
queue.execute("INSERT INTO remote_paths VALUES (1, '1 0')")
queue.execute(
    "INSERT INTO files (server, source_file, local_path, remote_path, size, error_count, priority,"
    " flags, default_exists_action) VALUES (1, ?, 1, 1, -1, 0, 2, ?, 0)",
    (name, UPLOAD),
)
queue.commit()
