// The form of an alert rule: shows the fields that the chosen kind uses, the metrics it accepts and the threshold's unit.
// Starts from the select with data-kinds; listens to its change and the metric's. Without this script all fields show.

const kinds = document.querySelector("select[data-kinds]");
const metrics = document.querySelector("select[data-metrics]");

if (kinds && metrics) {
  const known = JSON.parse(kinds.dataset.kinds);
  const ofKinds = JSON.parse(kinds.dataset.ofKinds);
  const units = JSON.parse(metrics.dataset.metrics);
  const help = document.querySelector(".field-kind .help div");

  const shownUnits = ["threshold", "clear_threshold"].map((name) => {
    const unit = document.createElement("span");
    unit.className = "gpumon-unit";
    document.querySelector(`[name="${name}"]`).after(unit);
    return unit;
  });

  const showUnits = () => {
    const unit = known[kinds.value]?.unit ?? units[metrics.value] ?? "";
    for (const shown of shownUnits) shown.textContent = unit;
  };

  const showFields = () => {
    const kind = known[kinds.value];
    if (!kind) return;
    for (const name of ofKinds) {
      const isUsed = kind.fields.includes(name);
      document.querySelector(`.form-row.field-${name}`).classList.toggle("hidden", !isUsed);
      // A hidden field is not sent, and keeps its value in case the kind changes back.
      document.querySelector(`[name="${name}"]`).disabled = !isUsed;
    }
    for (const option of metrics.options) {
      option.hidden = option.disabled = kind.metrics !== null && option.value !== "" && !kind.metrics.includes(option.value);
    }
    help.textContent = kind.help;
    showUnits();
  };

  // Django's search for GPUs (select2, made some time after the page is ready) has a field without a name.
  const gpus = document.querySelector(".field-gpus");
  const nameSearch = () => gpus.querySelector(".select2-search__field")?.setAttribute("aria-label", "Search for GPUs");
  new MutationObserver(nameSearch).observe(gpus, { childList: true, subtree: true });
  nameSearch();

  kinds.addEventListener("change", showFields);
  metrics.addEventListener("change", showUnits);
  showFields();
}
