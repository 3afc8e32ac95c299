const libraries = [
  'core',
  'ldif',
  'der',
  'oid',
  'x509',
  'cms',
  'cmc',
  'keys',
  'audit',
  'templates',
  'policy',
  'issuance',
  'escrow',
  'directory',
  'messaging',
  'registration',
  'files',
  'storage',
  'queue',
  'platform',
  'ldap',
  'client'
]
const pure = libraries.slice(0, libraries.indexOf('registration') + 1)
const oneOf = names => `(${names.join('|')})`

/** A library imports only libraries that stand above it in the list. */
const upward = libraries.map((name, position) => ({
  name: `${name}-imports-only-upward`,
  severity: 'error',
  from: { path: `^libs/${name}/` },
  to: { path: `^libs/${oneOf(libraries.slice(position + 1).concat('none'))}/` }
}))

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'libs-never-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'enter-a-library-by-its-index',
      severity: 'error',
      from: { path: '^(apps|libs|test|bench|migrations)/([^/]+)/' },
      to: { path: '^libs/([^/]+)/src/', pathNot: ['^libs/[^/]+/src/index\\.ts$', '^libs/$2/src/'] }
    },
    {
      name: 'apps-never-import-each-other',
      severity: 'error',
      from: {
        path: '^apps/([^/]+)/',
        pathNot: '^apps/cli/src/(server|run-server|front-work|listener-identity|roles|demo|administration/)'
      },
      to: { path: '^apps/', pathNot: '^apps/$1/' }
    },
    {
      name: 'pure-libraries-have-no-input-or-output',
      severity: 'error',
      from: { path: `^libs/${oneOf(pure)}/`, pathNot: '\\.spec\\.ts$' },
      to: { path: '(^(node:)?(fs|net|fs/promises)$|node_modules/(@nestjs|typeorm|bullmq|pg)/)' }
    },
    {
      name: 'typeorm-only-in-storage-and-migrations',
      severity: 'error',
      from: { pathNot: '^(libs/storage|migrations|test)/' },
      to: { path: 'node_modules/typeorm/', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'bullmq-only-in-queue',
      severity: 'error',
      from: { pathNot: '^(libs/queue|test)/' },
      to: { path: 'node_modules/bullmq/' }
    },
    {
      name: 'pg-only-in-storage-queue-platform',
      severity: 'error',
      from: { pathNot: '^(libs/(storage|queue|platform)|test|bench)/' },
      to: { path: 'node_modules/pg/' }
    },
    ...upward
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|dist-fault|node_modules/\\.)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] }
  }
}
