namespace Natalia.Backup.Engine.Repair;

/// <summary>Which errors mean that something that was stored cannot be had, while the store as such works.</summary>
internal static class Damage
{
    internal static bool Is(NataliaException failure) =>
        failure.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged or ErrorIds.ObjectNotFound
            or ErrorIds.BlockMapDamaged or ErrorIds.StoreReadFailed;
}
