using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Hypervisors.Tests.Proxmox;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

public sealed class ProxmoxPointRepositoryTests : PointRepositoryConformance
{
    private ProxmoxFixture? _fixture;
    private ApplianceDescription? _appliance;

    protected override ApplianceDescription Appliance => _appliance!;

    protected override async Task<IPointRepository> OpenAsync()
    {
        _fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int i = 0; i < 3; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)));
        });
        (_, _appliance, IPointRepository repository) = await _fixture.OpenAsync();
        return repository;
    }

    protected override Task CloseAsync() => _fixture!.DisposeAsync().AsTask();
}
