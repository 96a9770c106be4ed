"use strict";
// Click: zoom to a box. "whole": back. "search": marks the functions whose name matches, and says their share.
(function () {
  var svg = document.documentElement, frames = Array.from(svg.querySelectorAll("g.f"));
  var boxes = frames.map(function (g) {
    var r = g.querySelector("rect"), t = g.querySelector("text");
    return { g: g, r: r, t: t, name: g.dataset.n, x: +r.getAttribute("x"), w: +r.getAttribute("width"), y: +r.getAttribute("y") };
  });
  var says = svg.getElementById("d"), whole = boxes.length ? boxes[0].w : 1;
  function label(b, w) {
    var fits = Math.floor(w / 7.3);
    b.t.textContent = b.name.length <= fits ? b.name : fits < 4 ? "" : b.name.slice(0, fits - 2) + "..";
  }
  function zoom(to) {
    boxes.forEach(function (b) {
      var below = b.y > to.y && b.x <= to.x + 0.01 && b.x + b.w >= to.x + to.w - 0.01;
      var inside = b.y <= to.y && b.x >= to.x - 0.01 && b.x + b.w <= to.x + to.w + 0.01;
      b.g.style.display = below || inside ? "" : "none";
      if (!below && !inside) return;
      var x = below ? 0 : (b.x - to.x) * whole / to.w, w = below ? whole : b.w * whole / to.w;
      b.r.setAttribute("x", x);
      b.r.setAttribute("width", w);
      b.t.setAttribute("x", x + 3);
      label(b, w);
    });
  }
  boxes.forEach(function (b) {
    b.g.addEventListener("click", function () { zoom(b); });
    b.g.addEventListener("mouseover", function () { says.textContent = b.g.querySelector("title").textContent; });
  });
  svg.getElementById("z").addEventListener("click", function () { if (boxes.length) zoom(boxes[0]); });
  svg.getElementById("q").addEventListener("click", function () {
    var term = prompt("Functions whose name matches (regular expression); empty ends the search", "");
    if (term === null) return;
    var found = null, spans = [];
    try { found = term && new RegExp(term); } catch (e) { says.textContent = "not a regular expression: " + term; return; }
    boxes.forEach(function (b) {
      var hit = found && found.test(b.name);
      b.g.classList.toggle("m", !!hit);
      if (hit) spans.push([b.x, b.x + b.w]);
    });
    // A match inside a match counts once.
    spans.sort(function (a, b) { return a[0] - b[0]; });
    var end = 0, sum = 0;
    spans.forEach(function (s) { sum += Math.max(0, s[1] - Math.max(end, s[0])); end = Math.max(end, s[1]); });
    says.textContent = found ? term + ": " + (100 * sum / whole).toFixed(2) + " %" : " ";
  });
})();
