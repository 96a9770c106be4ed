"""Checks of the recipes. `check.sh` calls it with the showcase's program and, if not all, the recipes' names.

Each recipe runs in an nginx of its own, from a copy of this folder in which addresses and paths are replaced by free ones.
"""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
SHOWCASE = sys.argv[1]
WAIT = 20.0  # seconds; for what has to happen on a busy machine


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what, ask):
    """Asks until the answer is true, and fails saying `what` was waited for."""
    end = time.monotonic() + WAIT
    while not (answer := ask()):
        assert time.monotonic() < end, f"{what}: not within {WAIT} s"
        time.sleep(0.05)
    return answer


def can_connect(address):
    with contextlib.suppress(OSError), connect(address):
        return True
    return False


def connect(address, timeout=WAIT):
    """A connection to a port on 127.0.0.1, or to the path of a Unix socket."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout)
    unix = socket.socket(socket.AF_UNIX)
    unix.settimeout(timeout)
    unix.connect(str(address))
    return unix


class App:
    """The showcase, on a port or on a Unix socket."""

    def __init__(self, work, *flags, listen=None, port=None):
        self.port = port or free_port()
        self.address = listen or self.port
        self.log = open(work / f"app-{self.port}.log", "ab")
        listen = f"unix:{listen}" if listen else f"127.0.0.1:{self.port}"
        command = [SHOWCASE, "--cores", "1", "--listen", listen, *flags]
        env = {**os.environ, "NO_COLOR": "1"}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=env)
        eventually(f"the showcase on {listen}", lambda: self.process.poll() is not None or can_connect(self.address))
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(WAIT)


class Nginx:
    """One recipe, with `replace`d texts; ports it listens on become free ones: `port(443)` says which."""

    def __init__(self, work, recipe, replace):
        self.root = work / f"nginx-{recipe}"
        shutil.copytree(HERE, self.root, ignore=shutil.ignore_patterns("recipes", "__pycache__"))
        (self.root / "recipes").mkdir()
        text = (HERE / "recipes" / f"{recipe}.conf").read_text()
        self.ports = {int(port): free_port() for port in re.findall(r"listen (\d+)", text)}
        text = re.sub(r"listen (\d+)", lambda found: f"listen 127.0.0.1:{self.ports[int(found[1])]}", text)
        for old, new in replace.items():
            assert old in text, f"{recipe}.conf does not hold {old}"
            text = text.replace(old, str(new))
        (self.root / "recipes" / f"{recipe}.conf").write_text(text)
        main = (HERE / "nginx.conf").read_text()
        user = "user root;" if os.getuid() == 0 else ""
        for old, new in {
            "user www-data;": user,
            "/run/nginx.pid": self.root / "nginx.pid",
            "/var/log/nginx/error.log": self.root / "error.log",
            "worker_processes auto;": "worker_processes 2;",
            "worker_rlimit_nofile 65536;": "",
            "worker_connections 16384;": "worker_connections 512;",
        }.items():
            assert old in main, f"nginx.conf does not hold {old}"
            main = main.replace(old, str(new))
        temporary = "".join(
            f"{kind}_temp_path {self.root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.root / "nginx.conf").write_text(main.replace("http {", "http {\n" + temporary))
        # The files under /etc/nginx that Debian brings are found there; the rest is in the copy.
        self.command = ["nginx", "-p", str(self.root), "-e", str(self.root / "error.log"), "-c", str(self.root / "nginx.conf")]
        tested = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0, tested.stderr
        assert "[warn]" not in tested.stderr, tested.stderr
        self.process = subprocess.Popen([*self.command, "-g", "daemon off;"])
        for port in self.ports.values():
            eventually(f"nginx on {port}", lambda: can_connect(port))

    def port(self, written):
        return self.ports[written]

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(WAIT)


def curl(*arguments):
    """What curl prints; it fails for no HTTP status."""
    done = subprocess.run(["curl", "-sS", "--max-time", str(WAIT), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"curl {arguments}: {done.stderr}"
    return done.stdout


def statuses(url, count):
    """The statuses of so many requests over one connection."""
    return curl(*["-o", "/dev/null"] * count, "-w", "%{http_code} ", *[url] * count).split()


def status(url, *arguments):
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *arguments, url))


def ask(address, request):
    """Sends bytes, gives all that comes until the peer closes."""
    with connect(address) as stream:
        stream.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := stream.recv(65536):
                answer += chunk
        return answer


def until(stream, end, so_far=b""):
    while end not in so_far:
        chunk = stream.recv(4096)
        assert chunk, f"closed before {end} came: {so_far}"
        so_far += chunk
    return so_far


def requests_of(app):
    """How many requests the application has had, this one included."""
    answer = ask(app.address, b"GET /core HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["requests"]


def check_each_arrives(port, app):
    """Each request reaches the application once."""
    before = requests_of(app)
    curl(*[f"http://127.0.0.1:{port}/plaintext"] * 50)
    assert requests_of(app) - before == 51


def recipe_http2_tls(work, stack):
    app = stack.app(work, "--trusted-proxy", "127.0.0.1")
    pem, key = work / "example.com.pem", work / "example.com.key"
    subject = ["-subj", "/CN=example.com", "-addext", "subjectAltName=DNS:example.com"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", pem, *subject], check=True, capture_output=True)
    nginx = stack.nginx(work, "http2-tls", {
        "127.0.0.1:8080": f"127.0.0.1:{app.port}",
        "/etc/nginx/tls/example.com.pem": pem, "/etc/nginx/tls/example.com.key": key,
    })
    port = nginx.port(443)
    https = ["--cacert", str(pem), "--resolve", f"example.com:{port}:127.0.0.1"]
    url = f"https://example.com:{port}"
    assert curl(*https, "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"{url}/plaintext") == "2 200"
    client = json.loads(curl(*https, "-H", "X-Forwarded-For: 6.6.6.6", "-H", "Forwarded: for=6.6.6.6", "--interface", "127.0.0.1", f"{url}/client"))
    assert client == {"address": "127.0.0.1", "scheme": "https", "host": "example.com"}, client
    fields = curl(*https, "-o", "/dev/null", "-D", "-", f"{url}/nothing").lower()
    assert "strict-transport-security:" in fields and "nosniff" in fields and " 404" in fields, fields
    redirect = curl("-o", "/dev/null", "-D", "-", "-H", "Host: example.com", f"http://127.0.0.1:{nginx.port(80)}/a?b=c").lower()
    assert " 308 " in redirect and "location: https://example.com/a?b=c" in redirect, redirect
    old = subprocess.run(["curl", "-sS", *https, "--tls-max", "1.1", f"{url}/plaintext"], capture_output=True)
    assert old.returncode != 0, "TLS 1.1 is refused"
    check_smuggling(port, pem, app)


def check_smuggling(port, pem, app):
    """What could be read as two requests by one of the two never reaches the application as two."""
    import ssl

    context = ssl.create_default_context(cafile=str(pem))
    hidden = b"GET /core HTTP/1.1\r\nhost: example.com\r\n\r\n"
    attacks = {
        "both framings": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        "two lengths": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\ncontent-length: 43\r\n\r\n" + hidden,
        "a coding that is none": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: xchunked\r\n\r\n" + hidden,
        "a space before the colon": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ncontent-length : 43\r\n\r\n" + hidden,
        "a signed length": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ncontent-length: +43\r\n\r\n" + hidden,
        "a folded field": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden,
        "a chunk size that overflows": b"POST /echo HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden,
    }
    for why, attack in attacks.items():
        before = requests_of(app)
        with context.wrap_socket(connect(port), server_hostname="example.com") as stream:
            stream.sendall(attack)
            stream.settimeout(2)
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError, ssl.SSLError):
                while chunk := stream.recv(65536):
                    answer += chunk
        # One of ours asks for the count; the other request, if any, was the attack itself, never what hid in it.
        reached = requests_of(app) - before - 1
        assert reached <= 1 and b'"core":' not in answer, f"{why}: {reached} requests reached the application: {answer}"
        assert b" 400 " in answer.split(b"\r\n", 1)[0] or b" 501 " in answer.split(b"\r\n", 1)[0], f"{why}: {answer[:200]}"


def recipe_unix_socket(work, stack):
    path = work / "app.sock"
    app = stack.app(work, "--trusted-proxy", "unix", listen=path)
    nginx = stack.nginx(work, "unix-socket", {"unix:/run/corelane/app.sock": f"unix:{path}"})
    check_each_arrives(nginx.port(80), app)
    client = json.loads(curl("-H", "Host: example.com", f"http://127.0.0.1:{nginx.port(80)}/client"))
    assert client == {"address": "127.0.0.1", "scheme": "http", "host": "example.com"}, client


def recipe_balance(work, stack):
    apps = [stack.app(work) for _ in range(3)]
    nginx = stack.nginx(work, "balance", {f"127.0.0.1:808{n}": f"127.0.0.1:{app.port}" for n, app in enumerate(apps)})
    url = f"http://127.0.0.1:{nginx.port(80)}/plaintext"
    check = [requests_of(app) for app in apps]
    curl(*[url] * 60)
    shares = [requests_of(app) - before - 1 for app, before in zip(apps, check)]
    assert shares[0] + shares[1] == 60 and min(shares[:2]) >= 10 and shares[2] == 0, shares

    # One instance after the other is replaced by a new one at the same address, under load: nobody notices.
    failed, asked, over = [], [0], threading.Event()

    def load():
        while not over.is_set():
            answers = statuses(url, 20)
            asked[0] += 20
            failed.extend(answer for answer in answers if answer != "200")

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    for n in (0, 1):
        assert apps[n].stop() == 0, "a drained instance ends well"
        apps[n] = stack.app(work, port=apps[n].port)
        time.sleep(0.5)
    over.set()
    for client in clients:
        client.join()
    assert not failed and asked[0] >= 80, (asked, failed[:3])

    for app in apps[:2]:
        app.stop(signal.SIGKILL)
    assert status(url) == 200, "the backup answers when no other is left"
    assert requests_of(apps[2]) >= 2


def recipe_websocket_sse(work, stack):
    app = stack.app(work)
    nginx = stack.nginx(work, "websocket-sse", {"127.0.0.1:8080": f"127.0.0.1:{app.port}"})
    port = nginx.port(80)
    for path in ("/upgrade", "/upgrade?under=/"):
        with connect(port) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n".encode())
            head = until(stream, b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            for message in (b"one", b"two"):
                stream.sendall(message)
                assert until(stream, message) == message, "bytes come back as they went"
    assert status(f"http://127.0.0.1:{port}/upgrade") == 426, "and without an upgrade it is a usual request"
    check_events(port, "/events")


def check_events(port, path):
    """Events arrive one by one, not when a buffer is full."""
    with connect(port) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        read = until(stream, b"data: 0\n\n")
        assert b"data: 3\n\n" not in read, "the first event came before the fourth was made"
        until(stream, b"data: 3\n\n", read)


def recipe_streaming(work, stack):
    app = stack.app(work)
    nginx = stack.nginx(work, "streaming", {"127.0.0.1:8080": f"127.0.0.1:{app.port}"})
    port = nginx.port(80)
    # An upload reaches the application before it has ended.
    with connect(port) as stream:
        before = requests_of(app)
        stream.sendall(b"POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        asked = itertools.count(1)
        eventually("the upload's request", lambda: requests_of(app) - before > next(asked))
        stream.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        until(stream, b'{"bytes":11}')
    upload = work / "upload"
    upload.write_bytes(bytes(32 * 1024 * 1024))
    assert curl("--data-binary", f"@{upload}", "-H", "Expect:", f"http://127.0.0.1:{port}/upload") == '{"bytes":33554432}'
    stored = [path for kind in ("client_body", "proxy") for path in (nginx.root / kind).rglob("*") if path.is_file()]
    assert not stored, f"nothing was written to the disk: {stored}"
    assert status(f"http://127.0.0.1:{port}/plaintext", "-H", f"Content-Length: {17 * 1024 * 1024}", "-X", "POST") == 413
    size = curl("-o", "/dev/null", "-w", "%{size_download}", f"http://127.0.0.1:{port}/stream?chunks=100&size=100000")
    assert size == "10000000", size


def recipe_static_cache(work, stack):
    app = stack.app(work)
    root = work / "www"
    (root / "assets").mkdir(parents=True)
    (root / "assets" / "app.1f2e.js").write_text("plain")
    subprocess.run(["gzip", "-k", root / "assets" / "app.1f2e.js"], check=True)
    nginx = stack.nginx(work, "static-cache", {
        "127.0.0.1:8080": f"127.0.0.1:{app.port}", "/var/cache/nginx/micro": work / "micro", "/var/www/app": root,
    })
    url = f"http://127.0.0.1:{nginx.port(80)}"
    fields = curl("-D", "-", "--compressed", f"{url}/assets/app.1f2e.js").lower()
    assert "immutable" in fields and "content-encoding: gzip" in fields and fields.endswith("plain"), fields
    assert status(f"{url}/assets/none.js") == 404 and status(f"{url}/assets/../../etc/passwd", "--path-as-is") in (400, 404)
    before = requests_of(app)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        curl(*[f"{url}/plaintext"] * 50)
    reached = requests_of(app) - before - 1
    assert 1 <= reached <= 5, f"{reached} requests reached the application in two seconds"
    assert "hit" in curl("-o", "/dev/null", "-D", "-", f"{url}/plaintext", f"{url}/plaintext").lower()
    own = curl("-o", "/dev/null", "-D", "-", "-H", "Cookie: session=1", f"{url}/plaintext").lower()
    assert "x-cache: bypass" in own, own
    check_events(nginx.port(80), "/events")


def recipe_rate_limit(work, stack):
    app = stack.app(work)
    nginx = stack.nginx(work, "rate-limit", {"127.0.0.1:8080": f"127.0.0.1:{app.port}"})
    url = f"http://127.0.0.1:{nginx.port(80)}/plaintext"
    codes = statuses(url, 60)
    assert codes[:20] == ["200"] * 20 and codes.count("429") >= 20, codes
    refused = eventually("a refusal", lambda: (answer := curl("-D", "-", *[url] * 30).lower()) and "429" in answer and answer)
    assert "application/problem+json" in refused and "retry-after: 1" in refused and '"status":429' in refused, refused
    time.sleep(1.5)
    assert status(url) == 200, "and a second later they are welcome again"


def recipe_real_ip(work, stack):
    app = stack.app(work, "--trusted-proxy", "127.0.0.1")
    nginx = stack.nginx(work, "real-ip", {"127.0.0.1:8080": f"127.0.0.1:{app.port}"})
    request = b"GET /client HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: 6.6.6.6\r\n\r\n"
    answer = ask(nginx.port(80), b"PROXY TCP4 203.0.113.7 127.0.0.1 5555 80\r\n" + request)
    assert b'"address":"203.0.113.7"' in answer, answer
    assert b'"address"' not in ask(nginx.port(80), request), "without the PROXY line nothing is served"
    assert b'"address":"6.6.6.6"' in ask(nginx.port(81), request), "the balancer's field"
    forged = request.replace(b"6.6.6.6", b"6.6.6.6, 203.0.113.9, 127.0.0.1")
    assert b'"address":"203.0.113.9"' in ask(nginx.port(81), forged), "the last that is no balancer"


class Stack(contextlib.ExitStack):
    """Everything that was started for one recipe, stopped at its end."""

    def app(self, *arguments, **options):
        app = App(*arguments, **options)
        self.callback(lambda: app.process.poll() is None and app.process.kill())
        return app

    def nginx(self, *arguments):
        nginx = Nginx(*arguments)
        self.callback(nginx.stop)
        return nginx


def main():
    recipes = sorted(path.stem for path in (HERE / "recipes").glob("*.conf"))
    unknown = set(sys.argv[2:]) - set(recipes)
    assert not unknown, f"no such recipe: {', '.join(unknown)}; there are {', '.join(recipes)}"
    for recipe in sys.argv[2:] or recipes:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="corelane-nginx-") as folder, Stack() as stack:
            globals()["recipe_" + recipe.replace("-", "_")](pathlib.Path(folder), stack)
        print(f"nginx: {recipe}: ok ({time.monotonic() - began:.1f} s)", flush=True)


main()
