import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  agentParameter,
  agentsQuery,
  agentsView,
  agentView,
  coverageView,
  retireBody,
  retiredView,
  type AgentsQuery,
  type AgentsView,
  type AgentView,
  type CoverageView,
  type RetireBody,
  type RetiredView
} from './recovery-agents.schemas.js'
import { RecoveryAgentsService } from './recovery-agents.service.js'

/** Those who can open archived keys, and what they can open. */
@ApiTags('recovery-agents')
@Controller('api/v1/recovery-agents')
export class RecoveryAgentsController {
  constructor(private readonly agents: RecoveryAgentsService) {}

  @Get()
  @RequirePermission('agent.read')
  @ApiOperation({ summary: 'Recovery agents, and what is sealed to each' })
  @ApiResponse({ status: 200, standardSchema: agentsView })
  list(
    @Query({ schema: agentsQuery }) query: AgentsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<AgentsView> {
    return this.agents.list(query, operator)
  }

  @Get('coverage')
  @RequirePermission('agent.read')
  @ApiOperation({ summary: 'Which archived keys the agents that are alive can open, and what is lost when' })
  @ApiResponse({ status: 200, standardSchema: coverageView })
  coverage(
    @Query({ schema: agentsQuery }) query: AgentsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CoverageView> {
    return this.agents.coverage(query, operator)
  }

  @Get(':id')
  @RequirePermission('agent.read')
  @ApiOperation({ summary: 'One agent, and what is lost without it' })
  @ApiResponse({ status: 200, standardSchema: agentView })
  show(
    @Param('id', { schema: agentParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<AgentView> {
    return this.agents.show(id, operator)
  }

  @Post(':id/retire')
  @HttpCode(200)
  @RequirePermission('archive.write')
  @ApiOperation({
    summary: 'Seal no more keys to an agent; refused while keys need it, unless their loss is confirmed'
  })
  @ApiResponse({ status: 200, standardSchema: retiredView })
  retire(
    @Param('id', { schema: agentParameter }) id: number,
    @Body({ schema: retireBody }) body: RetireBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RetiredView> {
    return this.agents.retire(id, body, operator)
  }
}
