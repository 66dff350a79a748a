// Runs in OHIF's page before OHIF's own code, and mends two things of its MONAI Label panel.
// 1. The panel shows a fixed text for every error: the server's sentence is shown too.
// 2. The segmentation gets its grid from the series on view when the panel connects; the mask is asked for on the grid
//    of the series on view now, and its voxels are copied by position. After a change of series the mask would be drawn
//    in a wrong place: it is asked for on the segmentation's grid instead, and shown over the series on view.
"use strict";

const SEGMENTATION = "1"; // the panel's name for it
const SHOWN_FOR = 20000; // ms

// Later, because the panel removes all messages when it has an answer.
function tell(message, type) {
  setTimeout(() => window.services.uiNotificationService.show({ title: "CCSD", message, type, duration: SHOWN_FOR }));
}

// UID of the series that the segmentation has its grid from.
const seriesOfSegmentation = () =>
  window.services.segmentationService.getLabelmapVolume(SEGMENTATION).metadata.SeriesInstanceUID;

function explainGrid(series) {
  const { SeriesNumber, SeriesDescription } = window.services.displaySetService
    .getActiveDisplaySets()
    .find((set) => set.SeriesInstanceUID === series);
  tell(
    `The mask has the slices of series ${SeriesNumber} ${SeriesDescription}, which was on view when the panel ` +
      "connected. For those of another series, reload the page and choose it before you connect.",
    "info"
  );
}

function showEverywhere() {
  const { segmentationService, viewportGridService } = window.services;
  for (const viewportId of viewportGridService.getState().viewports.keys()) {
    if (!segmentationService.getSegmentationRepresentations(viewportId).length) {
      segmentationService.addSegmentationRepresentation(viewportId, { segmentationId: SEGMENTATION, type: "Labelmap" });
    }
  }
}

// The server's sentence, whatever type of answer the viewer asked for.
function sentence({ response, status }) {
  try {
    const text = response instanceof ArrayBuffer ? new TextDecoder().decode(response) : response;
    return (typeof text === "string" ? JSON.parse(text) : text).detail;
  } catch {
    return `The server answered ${status} without saying why.`;
  }
}

const open = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, address, ...rest) {
  const url = new URL(address, window.location.href);
  const series = method === "POST" && url.pathname.includes("/infer/") ? seriesOfSegmentation() : null;
  const changed = series && series !== url.searchParams.get("image");
  if (changed) url.searchParams.set("image", series);
  this.addEventListener("load", () => {
    if (this.status >= 400 && method !== "GET") {
      tell(sentence(this), "error");
    } else if (changed) {
      showEverywhere();
      explainGrid(series);
    }
  });
  return open.call(this, method, changed ? url.toString() : address, ...rest);
};
