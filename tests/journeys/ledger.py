"""A receiver of payments, over HTTP: what the effects of tools are counted by.

    python ledger.py        # prints its port; ends when its input does

A payment is `POST /CASE/CLASS` with `{"key", "amount", "pid", "kill"}`. With `kill` it ends the process that asks,
before the effect (`before`) or after it (`after`), and the effect happens all the same: the request had arrived. Of a
key of class `idempotent` it records one effect, whatever comes. `GET /CASE` tells what was recorded.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

guard = threading.Condition()
busy: set[int] = set()
"""The requests that have come and are not done."""
recorded: dict[str, list[dict[str, Any]]] = defaultdict(list)
receipts: dict[tuple[str, str], str] = {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        case, effect = self.path.strip("/").split("/")
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if said.get("kill") == "before":
            ended(said["pid"])
        with guard:
            known = receipts.get((case, said["key"])) if effect == "idempotent" else None
            if known is None:
                known = f"receipt-{said['amount']}"
                receipts[case, said["key"]] = known
                recorded[case].append({"class": effect, "key": said["key"], "amount": said["amount"]})
        if said.get("kill") == "after":
            ended(said["pid"])
        self.answer({"receipt": known})

    def do_GET(self) -> None:
        with guard:
            busy.discard(id(self.request))
            guard.wait_for(lambda: not busy, 60)  # a request outlives the process that sent it
            found = list(recorded[self.path.strip("/")])
        self.answer(found)

    def answer(self, said: Any) -> None:
        data = json.dumps(said).encode()
        try:
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # who asked is dead
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Answers in threads, and knows which have come before a question."""

    daemon_threads = True

    def process_request(self, request: Any, client_address: Any) -> None:
        with guard:
            busy.add(id(request))
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with guard:
                busy.discard(id(request))
                guard.notify_all()


def ended(pid: int) -> None:
    """Kill a process, and return when it has gone."""
    os.kill(pid, signal.SIGKILL)
    for _ in range(2000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.001)


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
