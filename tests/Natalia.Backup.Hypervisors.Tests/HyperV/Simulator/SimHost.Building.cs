using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.Tests.HyperV.Simulator;

internal sealed partial class SimHost
{
    private CimAnswer DoMore(CimPath target, string method, Dictionary<string, object?> values) =>
        target.ClassName == "Msvm_ReplicationService" ? Replicate(method, values)
            : throw Violation($"{target.ClassName}.{method} is not simulated.");

    private static CimAnswer ImageDataOfFile(string path) => new(32779, CimRow.Empty);
}
