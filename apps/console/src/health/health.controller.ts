import { Controller, Get } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequirePermission } from '../access/require-permission.js'
import { healthView, type HealthView } from './health.schemas.js'
import { HealthService } from './health.service.js'

/** What is wrong with the installation, or will be. Whether this process does its work is told elsewhere, at `/readyz`. */
@ApiTags('health')
@Controller('api/v1/health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Get()
  @RequirePermission('health.read', { at: 'all' })
  @ApiOperation({ summary: 'What somebody should look at, each with its severity, its cause and its remedy' })
  @ApiResponse({ status: 200, standardSchema: healthView })
  show(): Promise<HealthView> {
    return this.health.show()
  }
}
