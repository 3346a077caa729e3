using System.Reflection;

namespace Natalia.Backup.Engine;

/// <summary>How the product names itself in what it stores.</summary>
internal static class ProductInfo
{
    internal static string Tool { get; } = "Natalia.Backup "
        + (typeof(ProductInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion.Split('+')[0]
            ?? "0");
}
