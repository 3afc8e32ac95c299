import { Body, Controller, Param, Put, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import { endpointBody, endpointView, type EndpointBody, type EndpointView } from './endpoint.schemas.js'
import { MessageEndpoints } from './message-endpoints.service.js'
import { queueParameter } from './messaging.schemas.js'

/** Endpoints of queued calls. */
@ApiTags('messages')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/mq/endpoints')
export class EndpointsController {
  constructor(private readonly endpoints: MessageEndpoints) {}

  @Put(':endpoint')
  @ApiOperation({ summary: 'Open an endpoint of queued calls, whose queue the caller owns (RpcServerUseProtseqEpEx)' })
  @ApiResponse({ status: 200, standardSchema: endpointView })
  open(
    @Param('endpoint', { schema: queueParameter }) name: string,
    @Body({ schema: endpointBody }) body: EndpointBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<EndpointView> {
    return this.endpoints.open(name, body, requester)
  }
}
