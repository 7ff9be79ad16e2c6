import java.io.*;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.*;

/**
 * FTPS as a plain Java program does it: HOST PORT USER PASSWORD CA VERSION FILE. Ten times in one
 * session: a listing, an upload, a download of that. JSSE looks for sessions by host and port, so
 * no data connection resumes anything.
 */
public class FtpsClient {
    static SSLSocketFactory factory;
    static String host, version;
    static BufferedReader input;
    static OutputStream output;

    public static void main(String[] args) throws Exception {
        host = args[0];
        version = args[5];
        factory = trusting(Path.of(args[4]));
        Socket plain = new Socket(host, Integer.parseInt(args[1]));
        plain.setSoTimeout(20_000);
        speak(plain);
        reply(220);
        say("AUTH TLS", 234);
        speak(secure(plain));
        say("USER " + args[2], 331);
        say("PASS " + args[3], 230);
        say("PBSZ 0", 200);
        say("PROT P", 200);
        say("TYPE I", 200);
        Path file = Path.of(args[6]);
        for (int number = 0; number < 10; number++) {
            String name = file.getFileName() + "-" + number;
            try (SSLSocket data = open("LIST")) {
                data.getInputStream().readAllBytes();
            }
            reply(226);
            try (SSLSocket data = open("STOR " + name)) {
                Files.copy(file, data.getOutputStream());
            }
            reply(226);
            try (SSLSocket data = open("RETR " + name)) {
                Files.copy(data.getInputStream(), file.resolveSibling(name));
            }
            reply(226);
        }
        say("QUIT", 221);
    }

    static SSLSocketFactory trusting(Path ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream pem = Files.newInputStream(ca)) {
            var certificate = CertificateFactory.getInstance("X.509").generateCertificate(pem);
            store.setCertificateEntry("ca", certificate);
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context.getSocketFactory();
    }

    static SSLSocket secure(Socket plain) throws IOException {
        SSLSocket tls = (SSLSocket) factory.createSocket(plain, host, plain.getPort(), true);
        tls.setEnabledProtocols(new String[] {version});
        SSLParameters parameters = tls.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        tls.setSSLParameters(parameters);
        tls.startHandshake();
        return tls;
    }

    /** A data connection, and the command that it is for. */
    static SSLSocket open(String command) throws IOException {
        String[] numbers = say("PASV", 227).replaceAll("^[^(]*\\(|\\).*$", "").split(",");
        int port = Integer.parseInt(numbers[4]) * 256 + Integer.parseInt(numbers[5]);
        Socket plain = new Socket(String.join(".", Arrays.copyOf(numbers, 4)), port);
        plain.setSoTimeout(20_000);
        output.write((command + "\r\n").getBytes(StandardCharsets.UTF_8));
        SSLSocket data = secure(plain);
        reply(150);
        return data;
    }

    static void speak(Socket socket) throws IOException {
        var reader = new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8);
        input = new BufferedReader(reader);
        output = socket.getOutputStream();
    }

    static String say(String line, int code) throws IOException {
        output.write((line + "\r\n").getBytes(StandardCharsets.UTF_8));
        return reply(code);
    }

    static String reply(int code) throws IOException {
        String line = input.readLine();
        String end = line == null ? "" : line.substring(0, 3) + " ";
        while (line != null && !line.startsWith(end)) {
            line = input.readLine();
        }
        if (line == null || !line.startsWith(code + " ")) {
            throw new IOException(code + " is awaited, not " + line);
        }
        return line;
    }
}
