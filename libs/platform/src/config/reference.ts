import { z } from 'zod'
import { settingsSchema } from './schema.js'

/** One setting, as the reference describes it. */
export interface SettingDescription {
  /** Its keys in the YAML file, outermost first. */
  readonly path: readonly string[]
  /** Its environment variable; undefined for what is only set in the file. */
  readonly variable: string | undefined
  readonly type: 'string' | 'integer' | 'boolean' | 'list'
  /** What it may be, in words. */
  readonly values: string
  readonly default: string
  readonly description: string
}

interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: string | number | boolean | readonly (string | number)[]
  readonly description?: string
  readonly format?: string
}

/** Every setting in the order of the schema. */
export const SETTINGS: readonly SettingDescription[] = describeSettings(
  z.toJSONSchema(settingsSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema,
  []
)

/** `https.port` is CERTKEEP_HTTPS_PORT, `ca.passphraseFile` CERTKEEP_CA_PASSPHRASE_FILE. */
function variableOf(path: readonly string[]): string {
  const words = path.map(key => key.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase())
  return ['CERTKEEP', ...words].join('_')
}

function describeSettings(schema: JsonSchema, path: readonly string[]): readonly SettingDescription[] {
  if (schema.properties) {
    return Object.entries(schema.properties).flatMap(([key, value]) => describeSettings(value, [...path, key]))
  }
  // A list of groups of settings has its place in the file alone.
  if (schema.items?.properties) {
    const own = { path, variable: undefined, type: 'list', values: 'list of the following', default: 'none' } as const
    return [{ ...own, description: schema.description ?? '' }, ...describeSettings(schema.items, [...path, '*'])]
  }
  return [
    {
      path,
      variable: path.includes('*') ? undefined : variableOf(path),
      type: typeOf(schema),
      values: valuesOf(schema),
      default: schema.default === undefined ? '' : [schema.default].flat().join(','),
      description: schema.description ?? ''
    }
  ]
}

function typeOf(schema: JsonSchema): SettingDescription['type'] {
  if (schema.type === 'array') return 'list'
  if (schema.type === 'integer' || schema.type === 'boolean') return schema.type
  return 'string'
}

function valuesOf(schema: JsonSchema): string {
  if (schema.type === 'array') return `list of ${valuesOf(schema.items ?? {})}`
  if (schema.enum) return schema.enum.join(' | ')
  if (schema.type === 'boolean') return 'true | false'
  if (schema.type === 'integer') {
    const isBounded = schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER
    return isBounded ? `${schema.minimum} to ${schema.maximum}` : `${schema.minimum} or more`
  }
  return schema.format === 'uri' ? 'URL' : 'text'
}

/** The reference of all settings as plain text, generated from the schema that checks them. */
export function configReference(): string {
  const head = [
    'Settings of Certkeep.',
    '',
    'Sources, a later one wins: the default, the YAML file, the environment variable, the command line.',
    'The YAML file is $CERTKEEP_CONFIG, or certkeep.yaml in the home when it exists; nested keys are nested there.',
    'Paths in the file are relative to it, others to the working directory. Lists in a variable have commas.',
    ''
  ]
  const entries = SETTINGS.map(setting =>
    [
      `${setting.path.join('.')}  (${setting.variable ?? 'in the file'})`,
      `  ${setting.description}`,
      `  Values: ${setting.values}. Default: ${setting.default || 'none'}.`,
      ''
    ].join('\n')
  )
  return [...head, ...entries].join('\n')
}
