using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>An appliance's settings and the repository that keeps them.</summary>
internal sealed record Enrolment(RepositoryConnection Repository, ApplianceSettings Settings);
