namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>What goes wrong at one call to a hypervisor.</summary>
/// <param name="At">Which call, counted from 0 over the life of a connection.</param>
/// <param name="IsAfter">Whether the call has taken effect by then: its answer is lost. Else it has none.</param>
/// <param name="IsDeath">Whether the process dies; else the call fails, and later ones work.</param>
public sealed record CallFault(int At, bool IsAfter, bool IsDeath = true);
