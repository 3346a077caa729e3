namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>What a method returned.</summary>
/// <param name="ReturnValue">The number whose meaning is the method's own.</param>
/// <param name="Outputs">Its output parameters.</param>
internal sealed record CimAnswer(long ReturnValue, CimRow Outputs);
