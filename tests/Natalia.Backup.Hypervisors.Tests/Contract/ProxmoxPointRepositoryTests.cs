using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Hypervisors.Tests.Proxmox;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

public sealed class ProxmoxPointRepositoryTests : PointRepositoryConformance
{
    private Lab? _lab;
    private ApplianceDescription? _appliance;

    protected override ApplianceDescription Appliance => _appliance!;

    protected override async Task<IPointRepository> OpenAsync()
    {
        _lab = await Lab.StartAsync(c =>
        {
            for (int i = 0; i < 3; i++)
                c.Storage("pbs").Points.Add(Lab.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)));
        });
        (_, _appliance, IPointRepository repository) = await _lab.OpenAsync();
        return repository;
    }

    protected override Task CloseAsync() => _lab!.DisposeAsync().AsTask();
}
