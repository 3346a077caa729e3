using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Sessions;

/// <summary>A connected repository with the session that describes it and what a profile needs to connect again.</summary>
internal sealed class RepositoryConnection(RepositorySession session, Repository repository, RepositorySettings settings) : IConnection
{
    internal RepositorySession Session { get; } = session;

    internal Repository Repository { get; } = repository;

    internal RepositorySettings Settings { get; } = settings;

    public string Name => Session.Name;

    public string? Identity => Session.RepositoryId;

    public bool IsLimited => !Session.IsUnlocked;

    public void Dispose() => Repository.Dispose();
}
