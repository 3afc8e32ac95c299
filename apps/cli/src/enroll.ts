import { Command } from 'commander'
import type { EnrollCommand } from './client/enroll-action.js'
import { parseSeconds, withInstallationOptions, withNewRequestOptions } from './client-options.js'
import { outputOption, talkOf } from './output.js'

/** `enroll`: a certificate in one command. */
export function registerEnroll(program: Command): void {
  const command = withInstallationOptions(withNewRequestOptions(new Command('enroll')))
    .description('get a certificate: make a request, submit it, wait, verify the response and install')
    .option('--wait <seconds>', 'how long to wait for the outcome', parseSeconds, 30)
    .addOption(outputOption('table', 'json', 'pem', 'der'))
    .action(async (options: EnrollCommand, self: Command) => {
      const { enroll } = await import('./client/enroll-action.js')
      await enroll(options, talkOf(self))
    })
  program.addCommand(command)
}
