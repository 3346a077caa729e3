using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// What an imported profile names and could not be connected. What needs it says why; what looks at everything says
/// that it is missing.
/// </summary>
/// <param name="Name">Its name in the profile.</param>
/// <param name="Why">What connecting it failed with.</param>
/// <param name="Hypervisor">Of a hypervisor's own storage: the name of that hypervisor; else null.</param>
internal sealed record AwayConnection(string Name, NataliaException Why, string? Hypervisor = null);
