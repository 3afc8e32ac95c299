export { configReference, loadConfig } from '@app/platform'
