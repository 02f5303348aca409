"""An application of Python's own HTTP server: notes every request that it sees in the file named
by the first argument, and answers with what it saw. Prints its port once it listens."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body_length(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            total = 0
            while size := int(self.rfile.readline(), 16):
                total += len(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b"\n", b""):
                pass
            return total
        return len(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def answer(self):
        seen = f"{self.command} {self.path} {self.body_length()}"
        with open(sys.argv[1], "a", encoding="latin-1") as log:
            log.write(f"{seen} {self.headers.get('X-Secret', '-')}\n")
        body = b"" if self.command == "HEAD" else seen.encode("latin-1")
        self.send_response(200)
        self.send_header("X-Saw", f"{self.command} {self.path}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
