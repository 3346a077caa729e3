namespace Natalia.Backup.Serving.Scsi;

/// <summary>What a unit says of itself.</summary>
/// <param name="Serial">Unique: two units of one serial are taken for one that is reached by two ways. 32 hexadecimal
/// digits.</param>
/// <param name="Port">The name of the target.</param>
internal sealed record UnitIdentity(string Serial, string Port);
