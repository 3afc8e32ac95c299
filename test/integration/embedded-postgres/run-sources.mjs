// Lets a process of its own run the sources as they are: `node --experimental-transform-types --import <this> x.ts`.
import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const libraries = new URL('../../../libs/', import.meta.url)

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('@app/'))
      return next(new URL(`${specifier.slice(5)}/src/index.ts`, libraries).href, context)
    if (specifier.startsWith('.') && specifier.endsWith('.js')) {
      const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL)
      if (existsSync(fileURLToPath(source))) return next(source.href, context)
    }
    return next(specifier, context)
  }
})
