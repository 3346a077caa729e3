using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Packs;

/// <summary>A pack that a run added, as its delta lists it.</summary>
internal sealed record PackInfo(PackArea Area, int Number, Id128 Id, long Bytes, int Segments, Hash256 Hash);
