using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Repositories;

public sealed class PointRepositoryTests : PointRepositoryConformance
{
    private readonly RepositoryFixture _fixture = new();
    private Repository? _repository;

    protected override ApplianceDescription Appliance => RepositoryFixture.Appliance;

    protected override async Task<IPointRepository> OpenAsync()
    {
        _repository = await _fixture.CreateAsync();
        for (int i = 2; i >= 0; i--)
            await RepositoryFixture.BackupAsync(_repository, RepositoryFixture.Disk(1 << 20, i),
                time: DateTime.UtcNow.AddDays(-i));
        return _repository;
    }

    protected override Task CloseAsync()
    {
        _repository?.Dispose();
        _fixture.Dispose();
        return Task.CompletedTask;
    }
}
