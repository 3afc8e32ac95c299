import { InvalidArgumentError, Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { parseSeconds, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { KeyImportOptions } from './client/key-import.js'
import type { ProposeOptions } from './client/key-keeping-actions.js'
import { EXIT } from './exit-code.js'
import { outputOption, printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/key-keeping-actions.js')
const purgeStates = ['proposed', 'approved', 'done', 'cancelled'] as const

/** The parts of `key …` that administrators keep the archive with: import, purge, hold, retention, drill. */
export function registerKeyKeeping(key: Command): void {
  registerImport(key)
  registerPurge(key)
  registerHold(key)
  registerRetention(key)
  registerDrill(key)
}

function registerImport(key: Command): void {
  withConnectionOptions(key.command('import'))
    .description('archive keys from elsewhere: PKCS#12 files, or what "certutil -getkey" gave; one line for each file')
    .argument('[files...]', 'files, or folders of them')
    .option('--password-file <file>', 'the file with the password of the PKCS#12 files; else $CERTKEEP_PASSWORD')
    .option('--agent <file>', 'the old recovery agent’s PKCS#12 file, which opens recovery blobs here')
    .option('--agent-key <file>', 'the old agent’s private key, PEM or DER, instead of --agent')
    .option('--agent-cert <file>', 'the old agent’s certificate, with --agent-key')
    .option('--agent-password-file <file>', 'the file with the password of --agent or --agent-key')
    .option('--certificate <file>', 'the certificate of the key, where the file has none')
    .option('--template <name>', 'the template whose archival settings apply')
    .option('--owner <account>', 'DOMAIN\\account that the certificate is for, where this server did not issue it')
    .option('--foreign', 'take certificates of other CAs')
    .option('--replace', 'take the place of a key that is archived already')
    .option('--manifest <file>', 'a file with one JSON object a line: file, and what differs for it')
    .option('--journal <file>', 'a file that tells what is done, so that a run goes on where it was broken off')
    .addOption(outputOption('table', 'json'))
    .action(async (files: readonly string[], options: KeyImportOptions, command: Command) =>
      (await import('./client/key-import.js')).importKeys(files, options, talkOf(command))
    )
}

function registerPurge(key: Command): void {
  const purge = key.command('purge').description('purge archived keys whose time is over; it takes two administrators')
  withTableOrJson(withConnectionOptions(purge.command('propose')))
    .description('propose the keys that the retention policies let go; another administrator approves')
    .requiredOption('--reason <text>', 'why, for the other and for the record')
    .option('--template <name>', 'keys of this template only')
    .option('--limit <number>', 'at most so many', parsePositive, 10_000)
    .option('--dry-run', 'only tell how many and which they are')
    .action(async ({ output, ...options }: WithOutput<ProposeOptions>) =>
      printData(await (await actions()).proposePurge(options), output)
    )
  withTableOrJson(withConnectionOptions(purge.command('list')))
    .description('purges, the newest first')
    .addOption(new Option('--state <state>', 'those only that are so').choices(purgeStates))
    .action(
      async ({
        output,
        ...options
      }: WithOutput<ConnectionOptions & { readonly state?: (typeof purgeStates)[number] }>) =>
        printData(await (await actions()).listPurges(options), output)
    )
  withTableOrJson(withConnectionOptions(purge.command('show')))
    .description('a purge, its keys, and what became of each')
    .argument('<purge>', 'its number', parsePositive)
    .action(async (id: number, { output, ...options }: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).showPurge(id, options), output)
    )
  withTableOrJson(withConnectionOptions(purge.command('approve')))
    .description('approve what another administrator proposed; the keys are then erased')
    .argument('<purge>', 'its number', parsePositive)
    .action(async (id: number, { output, ...options }: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).approvePurge(id, options), output)
    )
  withTableOrJson(withConnectionOptions(purge.command('cancel')))
    .description('stop a purge; what is erased by then stays so')
    .argument('<purge>', 'its number', parsePositive)
    .action(async (id: number, { output, ...options }: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).cancelPurge(id, options), output)
    )
}

function registerHold(key: Command): void {
  const hold = key.command('hold').description('keys that must not be purged')
  withTableOrJson(withConnectionOptions(hold.command('list').description('the holds that stand')))
    .option('--lifted', 'those that were lifted too')
    .action(async ({ output, ...options }: WithOutput<ConnectionOptions & { readonly lifted?: boolean }>) =>
      printData(await (await actions()).listHolds(options), output)
    )
  withConnectionOptions(hold.command('place').description('hold the key of a request'))
    .argument('<request>', 'its number', parsePositive)
    .requiredOption('--reason <text>', 'why')
    .action(async (id: number, options: ConnectionOptions & { readonly reason: string }) => {
      await (await actions()).holdKey(id, options)
      talkOf(hold).say(`The key of request ${id} is held.`)
    })
  withConnectionOptions(hold.command('lift').description('hold the key of a request no longer'))
    .argument('<request>', 'its number', parsePositive)
    .action(async (id: number, options: ConnectionOptions) => {
      await (await actions()).liftHold(id, options)
      talkOf(hold).say(`The key of request ${id} is held no longer.`)
    })
}

function registerRetention(key: Command): void {
  const retention = key.command('retention').description('how long archived keys are kept')
  withTableOrJson(
    withConnectionOptions(retention.command('list').description('the policies; keys without one are kept for good'))
  ).action(async ({ output, ...options }: WithOutput<ConnectionOptions>) =>
    printData(await (await actions()).listPolicies(options), output)
  )
  withConnectionOptions(retention.command('set'))
    .description('keep keys so many days after the end of their certificates; that by itself purges nothing')
    .argument('<days>', 'how many', parseDays)
    .option('--template <name>', 'keys of this template; else of all that have no policy of their own')
    .action(async (days: number, options: ConnectionOptions & { readonly template?: string }) =>
      (await actions()).setPolicy(days, options)
    )
  withConnectionOptions(retention.command('remove').description('keep keys for good again'))
    .option('--template <name>', 'keys of this template')
    .action(async (options: ConnectionOptions & { readonly template?: string }) =>
      (await actions()).setPolicy(undefined, options)
    )
}

function registerDrill(key: Command): void {
  withTableOrJson(withConnectionOptions(key.command('drill')))
    .description('how recovery drills went; 1 when one is overdue or failed')
    .option('--now', 'have one run now, and wait for it')
    .option('--wait <seconds>', 'how long to wait', parseSeconds, 60)
    .action(
      async ({
        output,
        ...options
      }: WithOutput<ConnectionOptions & { readonly now?: boolean; readonly wait: number }>) => {
        const standing = await (await actions()).drill(options)
        await printData(standing, output)
        if (standing.overdue) process.exitCode = EXIT.failure
      }
    )
}

function parseDays(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 36_500) return Number(text)
  throw new InvalidArgumentError('It must be a number of days, at most 36500.')
}
