using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Retention;

/// <summary>An appliance in a repository, as retention sees it.</summary>
/// <param name="Repository">The repository.</param>
/// <param name="ApplianceId">The appliance's id.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Points">Its restore points in the repository, newest first.</param>
/// <param name="Described">The same points as a plan must know them, in the same order.</param>
/// <param name="Stored">The policy that holds for it, or null.</param>
internal sealed record RetentionSubject(RepositoryConnection Repository, string ApplianceId, string Name,
    IReadOnlyList<RestorePoint> Points, IReadOnlyList<RetentionPoint> Described, StoredRetentionPolicy? Stored)
{
    /// <summary>True when the policy is the appliance's own, not the repository's or its host's default.</summary>
    internal bool HasOwnPolicy => Stored is { ApplianceId: not null, IsHostDefault: false };

    internal IReadOnlyList<RetentionPoint> RetentionPoints =>
        [.. Described.Select(p => p with { ApplianceName = Name })];

    internal RetentionSetting ToSetting() =>
        RetentionSetting.Create(Repository.Name, Repository.Session.RepositoryId, ApplianceId, Name, Stored);
}
