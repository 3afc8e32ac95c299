import type { Command } from 'commander'
import { EXIT } from './exit-code.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

/** `doctor`: what is wrong with the installation, for the person at the machine. */
export function registerDoctor(program: Command): void {
  withTableOrJson(program.command('doctor'))
    .description('what somebody should look at, each with its cause and its remedy; 1 when something is lost')
    .action(async ({ output }: WithOutput, command: Command) => {
      const findings = await (await import('./administration/doctor-actions.js')).examine()
      await printData(findings, output)
      if (findings.length === 0) talkOf(command).say('There is nothing to look at.')
      if (findings.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failure
    })
}
