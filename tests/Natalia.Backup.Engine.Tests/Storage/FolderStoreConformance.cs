using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

public sealed class FolderStoreConformance : ObjectStoreConformance
{
    private readonly TemporaryFolder _folder = new();

    protected override Task<IObjectStore> OpenEmptyAsync() =>
        Task.FromResult<IObjectStore>(FolderStore.Open(_folder.Path, create: true));

    protected override Task<IObjectStore> OpenAgainAsync() =>
        Task.FromResult<IObjectStore>(FolderStore.Open(_folder.Path, create: false));

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }
}
