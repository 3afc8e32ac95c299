import type { Command } from 'commander'
import { EXIT } from './exit-code.js'
import { outputOption, printFacts, talkOf, type OutputFormat } from './output.js'

/** `audit …`: the audit log. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('the audit log')
  audit
    .command('verify')
    .description('follow the chain of the audit log and name the first event that is not as it was written')
    .option('--checkpoints <file>', 'the file of checkpoints to hold the chain against, where it is not in its place')
    .addOption(outputOption('table', 'json'))
    .action(async (options: { readonly checkpoints?: string; readonly output: OutputFormat }, command: Command) => {
      const talk = talkOf(command)
      const { verifyLocalAudit } = await import('./administration/audit-actions.js')
      const report = await verifyLocalAudit({
        ...(options.checkpoints && { checkpointFile: options.checkpoints }),
        onProgress: position => talk.progress(`Verified up to position ${position}.`)
      })
      await printFacts({ ...report }, options.output)
      talk.say(report.fault?.message ?? 'The audit log is as it was written.')
      if (!report.intact) process.exitCode = EXIT.verification
    })
}
