// SPDX-License-Identifier: Apache-2.0
//
// The same closed loop as `zraft bench`, for etcd, through etcd's own client: N clients share M connections, each
// puts or gets one key after the other. Prints one line of JSON with the names that `zraft bench --output json` uses.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
)

type tally struct {
	latencies []time.Duration
	errors    int
}

func oneClient(client *clientv3.Client, seed int64, keys int, value string, op string, end time.Time) tally {
	random := rand.New(rand.NewSource(seed))
	var mine tally
	for time.Now().Before(end) {
		key := fmt.Sprintf("key%08d", random.Intn(keys))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		begin := time.Now()
		var err error
		if op == "get" || (op == "mixed" && random.Intn(2) == 0) {
			_, err = client.Get(ctx, key)
		} else {
			_, err = client.Put(ctx, key, value)
		}
		cancel()
		if err != nil {
			mine.errors++
			continue
		}
		mine.latencies = append(mine.latencies, time.Since(begin))
	}
	return mine
}

func main() {
	hosts := flag.String("hosts", "127.0.0.1:2379", "addresses, comma-separated")
	clients := flag.Int("clients", 64, "closed loops")
	connections := flag.Int("connections", 8, "that they share")
	valueBytes := flag.Int("value-bytes", 256, "")
	keys := flag.Int("keys", 10000, "")
	seconds := flag.Float64("seconds", 10, "")
	op := flag.String("op", "put", "put, get or mixed")
	flag.Parse()

	all := make([]*clientv3.Client, *connections)
	for i := range all {
		client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(*hosts, ","), DialTimeout: 5 * time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, "etcd_load:", err)
			os.Exit(3)
		}
		defer client.Close()
		all[i] = client
	}
	value := strings.Repeat("v", *valueBytes)
	begin := time.Now()
	end := begin.Add(time.Duration(*seconds * float64(time.Second)))
	tallies := make([]tally, *clients)
	var wait sync.WaitGroup
	for i := range tallies {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			tallies[i] = oneClient(all[i%len(all)], int64(i+1), *keys, value, *op, end)
		}(i)
	}
	wait.Wait()
	took := time.Since(begin).Seconds()

	var latencies []time.Duration
	errors := 0
	for _, t := range tallies {
		latencies = append(latencies, t.latencies...)
		errors += t.errors
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	quantile := func(q float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return float64(latencies[int(q*float64(len(latencies)-1))].Nanoseconds()) / 1e6
	}
	out, _ := json.Marshal(map[string]interface{}{
		"operations": len(latencies), "errors": errors, "per_second": float64(len(latencies)) / took,
		"p50_ms": quantile(0.5), "p90_ms": quantile(0.9), "p99_ms": quantile(0.99), "p99_9_ms": quantile(0.999),
	})
	fmt.Println(string(out))
}
