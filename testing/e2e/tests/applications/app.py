"""The same application with what Python brings along."""
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELEASED = threading.Event()


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def begin_chunks(self, *fields):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, part):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.flush()

    def do_GET(self):
        if self.path == "/chunks":
            self.begin_chunks()
            for number in range(100):
                self.chunk(b"piece %d\n" % number)
            self.chunk(b"")
        elif self.path == "/events":
            RELEASED.clear()
            self.begin_chunks(("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no"))
            self.chunk(b"data: begun\n\n")
            RELEASED.wait(20)
            self.chunk(b"data: released\n\n")
            self.chunk(b"")
        elif self.path == "/release":
            RELEASED.set()
            self.answer("released")
        elif self.path == "/download":
            self.begin_chunks()
            for _ in range(128):
                self.chunk(b"d" * 65536)
            self.chunk(b"")
        else:
            self.answer("hello from " + self.headers["Host"])

    def parts(self):
        if self.headers["Transfer-Encoding"]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers["Content-Length"]))

    def do_POST(self):
        length = total = 0
        for part in self.parts():
            length += len(part)
            for byte in part:
                total = (total * 31 + byte) & 0xFFFFFFFF
        self.answer("%d %d" % (length, total))


server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
