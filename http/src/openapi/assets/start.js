"use strict";
// Apart from the page, so that its policy needs no inline script.
SwaggerUIBundle({
  dom_id: "#ui",
  url: new URL(document.currentScript.dataset.document, document.baseURI).href,
  deepLinking: true,
  // No other host is asked: neither the validator's badge nor anything else.
  validatorUrl: null,
});
