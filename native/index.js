'use strict';

const supported = ['linux', 'darwin'];

function load() {
  if (!supported.includes(process.platform)) {
    throw unsupported(`it runs on ${supported.join(' and ')} only; use another transport on this host`);
  }
  try {
    // A test's own build, see docs/operations.md.
    if (process.env.RSM_NATIVE_ADDON) return require(process.env.RSM_NATIVE_ADDON);
    // build/Release in a checkout, prebuilds/<platform>-<arch> in the published package
    return require('node-gyp-build')(__dirname);
  } catch (cause) {
    throw unsupported(
      'no binary for this platform could be loaded; it is published for 64-bit Linux with glibc, elsewhere compile it from the repository with `npm run build`',
      cause,
    );
  }
}

function unsupported(reason, cause) {
  const runtime = `${process.platform}-${process.arch}, Node ${process.versions.node}`;
  const detail = cause ? ` (${String(cause.message).trim()})` : '';
  return Object.assign(new Error(`nestjs-rsm cannot run on ${runtime}: ${reason}${detail}`, cause ? { cause } : undefined), {
    code: 'RSM_UNSUPPORTED_PLATFORM',
  });
}

/** Importing works everywhere, so that an app can choose its transport by platform; the first endpoint says what is wrong. */
function loadOrExplain() {
  try {
    return load();
  } catch (error) {
    const fail = () => {
      throw error;
    };
    return {
      NativeEndpoint: class NativeEndpoint {
        constructor() {
          fail();
        }
      },
      detach: fail,
    };
  }
}

const loaded = loadOrExplain();

// One assignment per name: that is what lets an ES module import them by name.
exports.NativeEndpoint = loaded.NativeEndpoint;
exports.detach = loaded.detach;
exports.outcomes = Object.freeze({ done: 1, failed: 2, nack: 3, returned: 4 });
exports.ops = Object.freeze({ releaseOnly: 16, finishOnly: 32 });
