{
  'targets': [
    {
      'target_name': 'rsm',
      'sources': [
        '<!@(node -p "require(\'node:fs\').readdirSync(\'src\').filter((name) => name.endsWith(\'.cc\')).sort().map((name) => \'src/\' + name).join(\' \')")',
      ],
      'include_dirs': [
        'src',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
      ],
      'defines': [
        'NAPI_VERSION=9',
        'NAPI_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker thread that is terminated makes calls fail without an exception to throw.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # Node's own flags say C++17, no exceptions and no RTTI.
      'cflags!': ['-fno-strict-aliasing'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-exceptions', '-fno-rtti', '-fno-strict-aliasing'],
      'cflags': ['-fvisibility=hidden'],
      'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Werror=return-type', '-fvisibility-inlines-hidden', '-Wno-cast-function-type'],
      'xcode_settings': {
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
        'CLANG_CXX_LIBRARY': 'libc++',
        'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
        'GCC_ENABLE_CPP_RTTI': 'YES',
        'GCC_OPTIMIZATION_LEVEL': '3',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '12.0',
        'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Werror=return-type'],
        'OTHER_CFLAGS!': ['-fno-strict-aliasing'],
      },
    },
  ],
}
