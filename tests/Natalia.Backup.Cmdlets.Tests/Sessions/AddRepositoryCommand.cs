using System.Management.Automation;
using Natalia.Backup.Commands;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Cmdlets.Tests.Sessions;

/// <summary>Connects the repository in a store of a test's own: <c>Add-Repository $store -Name NAME</c>.</summary>
[Cmdlet(VerbsCommon.Add, "Repository")]
[OutputType(typeof(RepositorySession))]
public sealed class AddRepositoryCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public object Store { get; set; } = null!;

    [Parameter(Mandatory = true)]
    public string Name { get; set; } = "";

    /// <summary>How long a backup into another repository waits for its sign of life, in seconds.</summary>
    [Parameter]
    public double Patience { get; set; }

    /// <summary>Describes it as the bucket 'calls' of this server.</summary>
    [Parameter]
    public Uri? Endpoint { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        var store = (IObjectStore)(Store is PSObject wrapped ? wrapped.BaseObject : Store);
        Repository repository = await Repository.OpenAsync(store, null, new RepositoryOptions { Label = Name },
            cancellationToken);
        RepositoryConnectionSettings settings = Endpoint is null
            ? new FolderStoreSettings { Name = Name, Path = store.Location, Access = default }
            : new BucketSettings { Name = Name, Bucket = "calls", Endpoint = Endpoint, Access = default };
        var session = new RepositorySession
        {
            Name = Name,
            RepositoryId = repository.RepositoryId,
            StoreKind = store.Kind,
            Location = settings is BucketSettings bucket ? bucket.Location : store.Location,
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            IsUnlocked = true,
            ConnectedUtc = DateTime.UtcNow,
        };
        Registry.Repositories.Add(new RepositoryConnection(session, repository, settings));
        if (Patience > 0) Registry.OthersLimit = TimeSpan.FromSeconds(Patience);
        Emit(session);
    }
}
