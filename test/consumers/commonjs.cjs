require('reflect-metadata');

const packages = {
  common: require('@nestjs/common'),
  core: require('@nestjs/core'),
  microservices: require('@nestjs/microservices'),
  rsm: require('nestjs-rsm'),
};

require('./body.cjs')
  .run(__filename, packages, { loaded: require.resolve('nestjs-rsm') })
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
