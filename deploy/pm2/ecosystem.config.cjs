// gpumon under PM2: `pm2 start deploy/pm2/ecosystem.config.cjs`, from anywhere, after `make install`. Settings as ever: GPU_MONITOR_…
// in the environment or in .env. PM2 has no watchdog for what it runs; systemd's units have (docs/deployment.md).

const path = require("node:path");

const project = path.resolve(__dirname, "../..");

module.exports = {
  apps: [
    {
      name: "gpumon",
      cwd: project,
      // The interpreter itself, so that PM2's signals reach the server and no shell in between.
      script: "manage.py",
      args: "serve",
      interpreter: path.join(project, ".venv/bin/python"),
      // One: readings, alerts and the last 15 minutes live in the process (and cluster mode is for Node.js).
      instances: 1,
      exec_mode: "fork",
      // PM2 sends SIGINT, which ends the server as Ctrl-C does, open sockets within two seconds. To the server alone: it ends
      // its sampler itself.
      kill_timeout: 10000,
      treekill: false,
      // A start that fails for good is not tried for ever.
      autorestart: true,
      max_restarts: 5,
      min_uptime: "30s",
      restart_delay: 5000,
      env: { PYTHONUNBUFFERED: "1" },
    },
  ],
};
