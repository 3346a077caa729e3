using System.Management.Automation;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Arguments;

/// <summary>Takes a repository session or its name.</summary>
public sealed class RepositoryReferenceAttribute : ReferenceArgumentAttribute
{
    private protected override string Expected => "a repository session, or the name of one";

    private protected override string? Describe(PSObject value)
    {
        if (Text(value, nameof(RepositorySession.RepositoryId)) is not string id
            || value.Properties[nameof(RepositorySession.StoreKind)] is null)
            return null;
        // The name tells two sessions to one repository apart; but a name may have gone to another repository since.
        string? name = Text(value, nameof(RepositorySession.Name));
        RepositoryConnection? named = name is null ? null : RunspaceSessions.TryForCurrent()?.Repositories.Find(name);
        return named?.Identity == id ? name : id;
    }
}
