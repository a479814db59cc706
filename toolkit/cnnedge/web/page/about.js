/**
 * The browser and the device beneath it, as far as they tell: the conditions of a measurement
 * (conditions.py). What is not told is left out, never guessed.
 */

/** What does not change. @param {string} version  of cnnedge */
export async function machine(version) {
  const data = /** @type {any} */ (navigator).userAgentData;
  const wanted = ["platformVersion", "architecture", "bitness", "model", "fullVersionList"];
  const told = await data?.getHighEntropyValues?.(wanted).catch(() => null);
  const memory = /** @type {any} */ (navigator).deviceMemory;
  return known({
    cnnedge: version,
    browser: browser(told),
    os: system(told),
    hardware: told?.model || undefined,
    architecture: told?.architecture ? `${told.architecture} ${told.bitness ?? ""}`.trim() : undefined,
    cores: navigator.hardwareConcurrency || undefined,
    // A power of two, and at most 8 GB: a browser tells no more.
    memory_bytes: memory ? Math.round(memory * 2 ** 30) : undefined,
  });
}

/** @param {any} told */
function browser(told) {
  const agent = navigator.userAgent;
  /** @type {{brand: string, version: string}[]} */
  const brands = told?.fullVersionList ?? [];
  const own = brands.filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const named = own.find(({ brand }) => brand !== "Chromium") ?? own[0];
  if (named) return `${named.brand} ${named.version}`;
  const firefox = /(?:Firefox|FxiOS)\/([\d.]+)/.exec(agent);
  const chrome = /(?:Chrome|CriOS)\/([\d.]+)/.exec(agent);
  const safari = /Version\/([\d.]+).*Safari/.exec(agent);
  if (firefox) return `Firefox ${firefox[1]}`;
  if (chrome) return `Chrome ${chrome[1]}`;
  return safari ? `Safari ${safari[1]}` : undefined;
}

/** @param {any} told */
function system(told) {
  const agent = navigator.userAgent;
  const platform = /** @type {any} */ (navigator).userAgentData?.platform;
  if (platform) return `${platform} ${told?.platformVersion ?? ""}`.trim();
  const ios = /(iPhone|iPad).*? OS ([\d_]+)/.exec(agent);
  if (ios) return `iOS ${ios[2].replaceAll("_", ".")}`;
  const android = /Android ([\d.]+)/.exec(agent);
  if (android) return `Android ${android[1]}`;
  return /Windows|Mac OS X [\d_.]+|Linux/.exec(agent)?.[0].replaceAll("_", ".");
}

/** What changes. @param {boolean} awake  whether the screen is kept on */
export async function moment(awake) {
  const battery = await /** @type {any} */ (navigator).getBattery?.().catch(() => null);
  // Without a battery, a browser says that it is full and charging.
  const none = !battery || (battery.charging && battery.level === 1 && battery.chargingTime === 0);
  return known({
    time: new Date().toISOString().replace(/\.\d+Z$/, "+00:00"),
    visibility: document.visibilityState,
    screen: awake ? "kept on" : undefined,
    battery: none
      ? undefined
      : {
          percent: Math.round(100 * battery.level),
          status: battery.charging ? "charging" : "discharging",
        },
  });
}

/**
 * Without what is undefined.
 * @param {Record<string, unknown>} values
 */
const known = (values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
