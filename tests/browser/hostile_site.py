"""A hostile web site: its page tries, from the visitor's browser, everything a page can try on our server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><title>hostile</title>
<iframe id="frame" src="{target}/"></iframe><img id="img" src="{target}/api/snapshot"><script src="{target}/api/snapshot"></script>
<form id="form" method="post" action="{target}{form_path}" target="result">
<input name="note" value="hacked"><input name="next" value="/"></form>
<iframe name="result"></iframe>
<script>
window.results = {{}};
function socket(path) {{
  return new Promise((done) => {{
    const socket = new WebSocket("{target}".replace("http", "ws") + path);
    socket.onmessage = (event) => done("heard " + event.data.length);
    socket.onopen = () => setTimeout(() => done("open"), 1500);
    socket.onerror = socket.onclose = () => done("refused");
  }});
}}
async function ask(path, options) {{
  try {{
    const answer = await fetch("{target}" + path, {{ credentials: "include", ...options }});
    return answer.type === "opaque" ? "opaque" : "read " + (await answer.text()).length;
  }} catch (error) {{
    return "refused";
  }}
}}
window.attack = async () => {{
  results.dashboard = await socket("/ws/dashboard?view=cards");
  results.gpu = await socket("/ws/gpu");
  results.snapshot = await ask("/api/snapshot");
  results.config = await ask("/api/config");
  results.page = await ask("/");
  results.post = await ask("{form_path}", {{ method: "POST", body: new URLSearchParams({{ note: "hacked" }}) }});
  results.json = await ask("{form_path}", {{ method: "POST", headers: {{ "Content-Type": "application/json" }}, body: "{{}}" }});
  results.withToken = await ask("/api/snapshot", {{ headers: {{ Authorization: "Bearer x" }} }});
  results.silent = await ask("/api/snapshot", {{ mode: "no-cors" }});
  const frame = document.getElementById("frame");
  try {{
    results.framed = frame.contentWindow.document.title;
  }} catch (error) {{
    results.framed = "refused";
  }}
  document.getElementById("form").submit();
  return results;
}};
</script>"""


class HostileSite:
    """Serves on a free loopback port. `attack(target, form_path)` sets the target of its page."""

    def __init__(self) -> None:
        self.html = b""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(site.html)))
                self.end_headers()
                self.wfile.write(site.html)

            def log_message(self, *_given: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.port = self._server.server_port

    def attack(self, target: str, form_path: str) -> None:
        """Attack this server, and this address with forms."""
        self.html = PAGE.format(target=target, form_path=form_path).encode()

    def close(self) -> None:
        """Stop the site."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
