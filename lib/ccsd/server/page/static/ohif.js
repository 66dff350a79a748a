// Runs in OHIF's page before OHIF's own code, and mends three things of its MONAI Label panel.
// 1. The panel shows a fixed text for every error: the server's sentence is shown too.
// 2. The segmentation gets its grid from the series on view when the panel connects; the mask is asked for on the grid
//    of the series on view now, and its voxels are copied by position. After a change of series the mask would be drawn
//    in a wrong place: it is asked for on the segmentation's grid instead, and shown over the series on view.
// 3. OHIF shows a segmentation over the series that it was made for; each time another series comes on view the mask is
//    added to it, if both say that they have one frame of reference (0020,0052): there it lies in its place.
"use strict";

const SEGMENTATION = "1"; // the panel's name for it
const SHOWN_FOR = 20000; // ms
const SETTLED = 300; // ms after the last viewport has its series

// Later, because the panel removes all messages when it has an answer.
function tell(message, type) {
  setTimeout(() => window.services.uiNotificationService.show({ title: "CCSD", message, type, duration: SHOWN_FOR }));
}

// UID of the series that the segmentation has its grid from; null: there is no segmentation.
const seriesOfSegmentation = () =>
  window.services.segmentationService.getLabelmapVolume(SEGMENTATION)?.metadata.SeriesInstanceUID ?? null;

const setOfSegmentation = () =>
  window.services.displaySetService.getActiveDisplaySets().find((set) => set.SeriesInstanceUID === seriesOfSegmentation());

const named = ({ SeriesNumber, SeriesDescription }) => `series ${SeriesNumber} ${SeriesDescription}`;

const frameOf = (set) => set.FrameOfReferenceUID ?? set.instances?.[0]?.FrameOfReferenceUID;

function explainGrid() {
  tell(
    `The mask has the slices of ${named(setOfSegmentation())}, which was displayed when the panel ` +
      "connected. For a mask of another series, reload the page and choose that series before you connect.",
    "info"
  );
}

function showEverywhere() {
  const { segmentationService, viewportGridService, displaySetService } = window.services;
  const own = setOfSegmentation();
  if (!own) return;
  const elsewhere = new Set();
  for (const [viewportId, { displaySetInstanceUIDs: sets }] of viewportGridService.getState().viewports) {
    const shown = sets?.length ? displaySetService.getDisplaySetByUID(sets[0]) : null;
    if (!shown) continue;
    if (frameOf(shown) !== frameOf(own)) elsewhere.add(shown);
    else if (!segmentationService.getSegmentationRepresentations(viewportId).length) {
      segmentationService.addSegmentationRepresentation(viewportId, { segmentationId: SEGMENTATION, type: "Labelmap" });
    }
  }
  elsewhere.forEach((shown) =>
    tell(
      `The mask of ${named(own)} is not drawn on ${named(shown)}: they have different frames of reference. ` +
        "For a mask on it, reload the page and choose it before you connect.",
      "info"
    )
  );
}

// From the first mask on, whichever series comes on view. OHIF draws what it remembers of a viewport first.
let watched = [];
function showOnEachSeries() {
  const { cornerstoneViewportService: service } = window.services;
  watched.forEach((one) => one.unsubscribe());
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(showEverywhere, SETTLED);
  };
  const { VIEWPORT_DATA_CHANGED, VIEWPORT_VOLUMES_CHANGED } = service.EVENTS;
  watched = [VIEWPORT_DATA_CHANGED, VIEWPORT_VOLUMES_CHANGED].map((event) => service.subscribe(event, later));
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
    } else if (series) {
      showOnEachSeries();
      if (!changed) return;
      showEverywhere();
      explainGrid();
    }
  });
  return open.call(this, method, changed ? url.toString() : address, ...rest);
};
