import { Argument, type Command } from 'commander'
import { print } from './output.js'

const shells = ['bash', 'zsh', 'fish'] as const

/** `completion`: a script for the shell that completes the commands and options of this program. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands: source <(certkeep completion bash)')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .action((shell: (typeof shells)[number]) =>
      print(shell === 'fish' ? fishScript(program) : bashScript(program, shell))
    )
}

interface Completion {
  /** The command's names from the program's own on, with blanks between. */
  readonly path: string
  readonly words: readonly string[]
}

/** What may follow each command. */
export function completionsOf(command: Command, parents = ''): readonly Completion[] {
  const path = `${parents}${command.name()}`
  const children = command.commands.filter(child => child.name() !== 'help')
  const options = [...command.options, ...rootOptions(command)].map(({ long, flags }) => long ?? flags)
  const words = [...children.map(child => child.name()), ...options, '--help']
  return [{ path, words }, ...children.flatMap(child => completionsOf(child, `${path} `))]
}

function rootOptions(command: Command): Command['options'] {
  let root = command
  while (root.parent !== null) root = root.parent
  return root === command ? [] : root.options.filter(({ long }) => long !== '--version')
}

/** One function for bash; zsh runs it with its own emulation. Words that nothing fits complete to files. */
function bashScript(program: Command, shell: 'bash' | 'zsh'): string {
  const completions = completionsOf(program)
  const paths = completions.map(({ path }) => `"${path}"`).join('|')
  const cases = completions.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n')
  const name = program.name()
  return `${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_${name}() {
  local path="${name}" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in ${paths}) path="$path $word" ;; esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`
}

function fishScript(program: Command): string {
  const name = program.name()
  const lines: string[] = []
  for (const { path, words } of completionsOf(program)) {
    const seen = path.split(' ').slice(1)
    const condition =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map(word => `__fish_seen_subcommand_from ${word}`).join('; and ')
    for (const word of words) {
      const completion = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
      lines.push(`complete -c ${name} -n '${condition}' ${completion}`)
    }
  }
  return `${lines.join('\n')}\n`
}
