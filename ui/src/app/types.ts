// Answers of the HTTP API, as far as the page reads them. Empty lists may be null on the wire.

export interface ServiceSummary {
  Name: string;
  Kind?: string;
  Tags: string[] | null;
  Nodes: string[] | null;
  InstanceCount: number;
  ChecksPassing: number;
  ChecksWarning: number;
  ChecksCritical: number;
  ExternalSources: string[] | null;
}

export interface Check {
  Node: string;
  CheckID: string;
  Name: string;
  Status: string;
  Notes: string;
  Output: string;
  ServiceID: string;
  ServiceName: string;
  Type?: string;
}

export interface TaggedAddress {
  Address: string;
  Port: number;
}

export interface Proxy {
  DestinationServiceName?: string;
  DestinationServiceID?: string;
  LocalServiceAddress?: string;
  LocalServicePort?: number;
  Upstreams?: {
    DestinationType?: string;
    DestinationName: string;
    Datacenter?: string;
    LocalBindAddress?: string;
    LocalBindPort: number;
  }[];
  Expose?: { Paths?: { ListenerPort: number; Path: string; LocalPathPort: number; Protocol: string }[] };
}

export interface Service {
  ID: string;
  Service: string;
  Kind?: string;
  Tags: string[] | null;
  Address: string;
  Port: number;
  Meta: Record<string, string> | null;
  TaggedAddresses?: Record<string, TaggedAddress> | null;
  Proxy?: Proxy;
}

export interface Host {
  ID: string;
  Node: string;
  Address: string;
  Datacenter?: string;
  TaggedAddresses: Record<string, string> | null;
  Meta: Record<string, string> | null;
}

export interface Instance {
  Node: Host;
  Service: Service;
  Checks: Check[] | null;
}

export interface NodeInfo extends Host {
  Services: Service[] | null;
  Checks: Check[] | null;
}

export interface Member {
  Name: string;
  Addr: string;
  Port: number;
  Tags: Record<string, string>;
  Status: number;
  ProtocolCur: number;
  ProtocolMin: number;
  ProtocolMax: number;
  DelegateCur: number;
}

export interface Coordinate {
  Vec: number[];
  Error: number;
  Adjustment: number;
  Height: number;
}

export interface NodeCoordinate {
  Node: string;
  Segment: string;
  Coord: Coordinate;
}

export interface Session {
  ID: string;
  Name: string;
  Node: string;
  LockDelay: number;
  Behavior: string;
  TTL: string;
  NodeChecks: string[] | null;
  ServiceChecks: { ID: string; Namespace?: string }[] | null;
  CreateIndex: number;
}

export interface KeyValue {
  Key: string;
  Value: string | null;
  Flags: number;
  LockIndex: number;
  Session?: string;
  CreateIndex: number;
  ModifyIndex: number;
}

export interface AutopilotServer {
  ID: string;
  Name: string;
  Address: string;
  SerfStatus: string;
  Version: string;
  Leader: boolean;
  LastContact: string;
  LastTerm: number;
  LastIndex: number;
  Healthy: boolean;
  Voter: boolean;
  StableSince: string;
}

export interface AutopilotHealth {
  Healthy: boolean;
  FailureTolerance: number;
  Servers: AutopilotServer[] | null;
}

export interface RaftConfiguration {
  Servers: { ID: string; Node: string; Address: string; Leader: boolean; Voter: boolean; ProtocolVersion: string }[];
  Index: number;
}

export interface AgentSelf {
  Config: { Datacenter: string; NodeName: string; NodeID: string; Server: boolean; Version: string };
  Member?: Member;
}

export interface CheckHistory {
  Node: string;
  CheckID: string;
  Name: string;
  ServiceID: string;
  ServiceName: string;
  Changes: { Time: number; Index: number; Before: string; Status: string; Output: string }[];
  Flaps: number;
}

export interface UserEvent {
  ID: string;
  Name: string;
  Payload: string | null;
  NodeFilter: string;
  ServiceFilter: string;
  TagFilter: string;
  LTime: number;
}

export interface PreparedQuery {
  ID: string;
  Name: string;
  Session: string;
  Service: { Service: string; OnlyPassing: boolean; Near: string; Tags: string[] | null; Failover?: { NearestN: number; Datacenters: string[] | null } };
  DNS?: { TTL: string };
  Template?: { Type: string; Regexp: string };
}

export interface Token {
  AccessorID: string;
  SecretID?: string;
  Description: string;
  Policies?: { ID: string; Name: string }[] | null;
  Roles?: { ID: string; Name: string }[] | null;
  Local?: boolean;
  Legacy?: boolean;
  CreateTime?: string;
}

export interface Intention {
  ID: string;
  SourceName: string;
  DestinationName: string;
  Action: string;
  Precedence: number;
  Description: string;
}
