import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { outputDirectory, type RunReport } from './run.js'

/** Writes what came of the runs as `report.json` and `report.md`. */
export function writeReport(runs: readonly RunReport[]): void {
  writeFileSync(join(outputDirectory, 'report.json'), `${JSON.stringify(runs, undefined, 2)}\n`)
  writeFileSync(join(outputDirectory, 'report.md'), markdownOf(runs))
}

function markdownOf(runs: readonly RunReport[]): string {
  const total = (of: (run: RunReport) => number): number => runs.reduce((sum, run) => sum + of(run), 0)
  const strikes = runs.flatMap(run => run.strikes)
  const points = new Map<string, number>()
  for (const { struck } of runs) {
    for (const [point, count] of Object.entries(struck)) points.set(point, (points.get(point) ?? 0) + count)
  }
  const breaches = runs.flatMap(({ seed, breaches: found }) => found.map(breach => ({ seed, ...breach })))
  return `# Faults

${runs.length} runs, seeds ${runs.map(({ seed }) => seed).join(', ')}; ${Math.round(total(({ seconds }) => seconds))} s.

| what | how many |
|---|---|
| operations of clients | ${total(({ operations }) => operations)} |
| requests | ${total(({ requests }) => requests)} |
| certificates | ${total(({ certificates }) => certificates)} |
| recoveries | ${total(({ recoveries }) => recoveries)} |
| revocations | ${total(({ revocations }) => revocations)} |
| faults | ${strikes.length}, of which ${strikes.filter(({ hit }) => hit).length} struck |
| processes started again | ${total(({ restarts }) => restarts)} |
| longest time until nothing was due | ${Math.round(Math.max(...runs.map(({ settledAfter }) => settledAfter)))} ms |
| breaches | ${breaches.length} |

## Faults by kind

| fault | tried | struck |
|---|---|---|
${[...new Set(strikes.map(({ fault }) => fault))]
  .toSorted((one, other) => (one < other ? -1 : 1))
  .map(name => {
    const of = strikes.filter(({ fault }) => fault === name)
    return `| ${name} | ${of.length} | ${of.filter(({ hit }) => hit).length} |`
  })
  .join('\n')}

## Points that struck

| point | times |
|---|---|
${[...points]
  .toSorted(([one], [other]) => (one < other ? -1 : 1))
  .map(([point, count]) => `| ${point} | ${count} |`)
  .join('\n')}

## Work before, while and after processes are killed

| seed | processes | before | during | after |
|---|---|---|---|---|
${runs
  .map(({ seed, shape, phases }) => {
    const rates = phases.map(({ rate }) => `${rate.toFixed(1)}/s`).join(' | ')
    const processes = Object.entries(shape).map(([role, count]) => `${count} ${role}`)
    return `| ${seed} | ${processes.join(', ')} | ${rates} |`
  })
  .join('\n')}

## Breaches

${
  breaches.length === 0
    ? 'None.'
    : breaches
        .map(
          ({ seed, id, name, found }) =>
            `- seed ${seed}, ${id}: ${name}\n${found
              .slice(0, 10)
              .map(what => `  - ${what}`)
              .join('\n')}`
        )
        .join('\n')
}
`
}
