// gpumon under PM2: `pm2 start deploy/pm2/ecosystem.config.cjs` from any folder, after `make install`. Settings are GPU_MONITOR_…
// variables, in the environment or in .env. A server that hangs ends itself, and PM2 restarts it.

const path = require("node:path");

const project = path.resolve(__dirname, "../..");

module.exports = {
  apps: [
    {
      name: "gpumon",
      cwd: project,
      // Run the interpreter directly, so that PM2's signals reach the server and not a shell.
      script: "manage.py",
      args: "serve",
      interpreter: path.join(project, ".venv/bin/python"),
      // One instance: readings, alerts and the last 15 minutes are in the process (and cluster mode is for Node.js).
      instances: 1,
      exec_mode: "fork",
      // PM2 sends SIGINT, which stops the server as Ctrl-C does; it closes sockets within two seconds. Only the server gets the
      // signal, because it stops its sampler itself.
      kill_timeout: 10000,
      treekill: false,
      // Do not retry a failing start forever.
      autorestart: true,
      max_restarts: 5,
      min_uptime: "30s",
      restart_delay: 5000,
      env: { PYTHONUNBUFFERED: "1" },
    },
  ],
};
