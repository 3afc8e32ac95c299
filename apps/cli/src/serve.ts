import type { Command } from 'commander'

/** `serve` and `demo`. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run the server, all roles or some of them')
    .option('--role <role...>', 'serve these roles only: front, console, authority, archive')
    .option('--home <directory>', 'the directory of the installation')
    .action(async (options: { readonly role?: string[]; readonly home?: string }) => {
      const { serve } = await import('./run-server.js')
      await serve(options)
    })
  program
    .command('demo')
    .description('archive a key, issue its certificate and open the archived key, in a folder that is removed again')
    .option('--keep', 'keep the folder')
    .action(async (options: { readonly keep?: boolean }) => {
      const { demo } = await import('./demo.js')
      await demo(options)
    })
}
