// Runs before everything else, in the words of the oldest browsers: says what keeps the page from working.
(function () {
  var show = function (id) {
    document.getElementById("opening").hidden = true;
    document.getElementById("report").hidden = true;
    document.getElementById(id).hidden = false;
  };
  var isThere = typeof DecompressionStream !== "undefined" && typeof BigInt64Array !== "undefined" &&
    typeof ResizeObserver !== "undefined" && typeof HTMLDialogElement !== "undefined" && typeof Intl !== "undefined";
  window.ctwaGuard = { isThere: isThere, broken: function () { show("broken"); } };
  if (!isThere) {
    show("old-browser");
    return;
  }
  // What this browser cannot even parse ends here, before the page is shown.
  window.onerror = function () {
    if (document.getElementById("report").hidden) {
      show("old-browser");
    }
  };
})();
