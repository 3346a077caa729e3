using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Points;

/// <summary>A restore point and the connection through which it was found.</summary>
internal sealed record LocatedPoint(RepositoryConnection Repository, RestorePoint Point);
