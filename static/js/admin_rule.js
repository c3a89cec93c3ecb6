// The form of an alert rule: shows the fields that the chosen kind has a use for, and the unit of its thresholds.
// Starts from the select with data-kinds; hears its change and that of the metric. Without it every field is shown.

const kinds = document.querySelector("select[data-kinds]");
const metrics = document.querySelector("select[data-metrics]");

if (kinds && metrics) {
  const known = JSON.parse(kinds.dataset.kinds);
  const ofKinds = JSON.parse(kinds.dataset.ofKinds);
  const units = JSON.parse(metrics.dataset.metrics);
  const counters = new Set(JSON.parse(metrics.dataset.counters));
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
      const isOfUse = kind.fields.includes(name);
      document.querySelector(`.form-row.field-${name}`).classList.toggle("hidden", !isOfUse);
      // What is not shown is not sent either, and comes back when the kind does.
      document.querySelector(`[name="${name}"]`).disabled = !isOfUse;
    }
    for (const option of metrics.options) {
      option.hidden = option.disabled = kinds.value === "rise" && option.value !== "" && !counters.has(option.value);
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
