/** The one place that names what the native package exports. */
export { detach, NativeEndpoint, ops } from '@nestjs-rsm/native';
export type { NativeEndpointOptions, NativeHandlers, PeerInfo, UnfinishedMessage } from '@nestjs-rsm/native';
