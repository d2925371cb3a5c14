// The testing kit. Imported by a test file it registers the drop of the file's databases, the end of its own cluster and
// the leak check, in this order.
import { stopOwnClusterAfterFile } from './cluster.ts';
import { dropDatabasesAfterFile } from './database.ts';
import { failOnLeaks } from './leaks.ts';

export {
  slackClick,
  startPagerDuty,
  startSlack,
  startTeams,
  startTwilio,
  twilioAccount,
  type Vendor,
} from './alert-services.ts';
export { createTestAuthority, type TestAuthority, type TestCertificate } from './certificates.ts';
export { clusterVariable, startTestCluster, type TestCluster, testCluster } from './cluster.ts';
export {
  attempt,
  type ConformanceResult,
  type ConformanceSuite,
  type ConformanceTools,
  type CorpusFile,
  corpusAbsent,
  corpusFiles,
  corpusFolder,
  result,
} from './conformance.ts';
export { createDataFolder } from './data-folder.ts';
export { beforeClose, beforeDrop, emptyConnection, testConnection, testDatabase } from './database.ts';
export { testLog } from './log.ts';
export { type MailServer, startMailServer, type TakenMail } from './mail-server.ts';
export {
  type PackageRegistry,
  type PackageSketch,
  packageManifest,
  packageOf,
  packageParts,
  sampleProfile,
  sampleSearchParameter,
  sampleValueSet,
  startPackageRegistry,
} from './packages.ts';
export { type Planned, planned } from './plans.ts';
export { random } from './random.ts';
export { type Received, type Receiver, startReceiver } from './receiver.ts';
export { type TarPart, tgzOf } from './tgz.ts';
export { waitFor } from './wait.ts';
export { openSocket, type TestSocket } from './web-socket.ts';
export { type ZipPart, zipOf } from './zip.ts';

// Elsewhere (test/run.ts, a benchmark) registering a hook would start Node's test runner.
if (process.argv[1]?.endsWith('.test.ts')) {
  dropDatabasesAfterFile();
  stopOwnClusterAfterFile();
  failOnLeaks();
}
